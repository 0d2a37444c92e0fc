//! Tables of a Markdown text, by the heading that they stand under.

/// The cells of each row of the tables below a heading of the second level, up to the next one.
///
/// # Panics
/// If there is no such heading.
#[must_use]
pub fn rows(markdown: &str, heading: &str) -> Vec<Vec<String>> {
    let wanted = format!("## {heading}");
    let mut lines = markdown.lines().skip_while(|line| *line != wanted);
    assert!(lines.next().is_some(), "there is no heading {wanted:?}");
    let section: Vec<&str> = lines.take_while(|line| !line.starts_with("## ")).collect();
    let is_rule = |line: &str| line.starts_with("|--") || line.starts_with("| --");
    let mut rows = Vec::new();
    for (place, line) in section.iter().enumerate() {
        let is_head = section.get(place + 1).is_some_and(|next| is_rule(next));
        if line.starts_with('|') && !is_rule(line) && !is_head {
            let cells = line.trim().trim_matches('|').split('|');
            rows.push(cells.map(|cell| cell.trim().to_owned()).collect());
        }
    }
    rows
}
