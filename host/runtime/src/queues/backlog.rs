//! Tasks that wait, fair among runs: runs take turns, and each gives its oldest task.
//!
//! A run with ten thousand tasks delays one with a single task by one hand-out, not by ten
//! thousand. Every operation is logarithmic in what waits.

use sandglass_store::RunKey;
use std::collections::{BTreeMap, HashMap};

/// What waits in one queue.
pub(super) struct Backlog<T> {
    /// Who gives next.
    turns: BTreeMap<i64, RunKey>,
    lanes: HashMap<RunKey, Lane<T>>,
    len: usize,
}

/// What waits of one run; never empty.
struct Lane<T> {
    turn: i64,
    /// By place: a number that counts up as tasks come.
    tasks: BTreeMap<u64, T>,
}

impl<T> Default for Backlog<T> {
    fn default() -> Self {
        Self {
            turns: BTreeMap::new(),
            lanes: HashMap::new(),
            len: 0,
        }
    }
}

impl<T> Backlog<T> {
    /// Adds a task. A run of which nothing waited has its turn after all others.
    pub(super) fn put(&mut self, run: RunKey, place: u64, task: T) {
        let turn = self.turns.last_key_value().map_or(0, |(last, _)| last + 1);
        self.add(run, place, task, turn);
    }

    /// Puts a task back that was taken and not handed out: at its place, and it is its run's turn.
    pub(super) fn put_back(&mut self, run: RunKey, place: u64, task: T) {
        let turn = self
            .turns
            .first_key_value()
            .map_or(0, |(first, _)| first - 1);
        if let Some(lane) = self.lanes.get_mut(&run) {
            self.turns.remove(&lane.turn);
            self.turns.insert(turn, run);
            lane.turn = turn;
        }
        self.add(run, place, task, turn);
    }

    fn add(&mut self, run: RunKey, place: u64, task: T, turn: i64) {
        let turns = &mut self.turns;
        let lane = self.lanes.entry(run).or_insert_with(|| {
            turns.insert(turn, run);
            let tasks = BTreeMap::new();
            Lane { turn, tasks }
        });
        self.len += usize::from(lane.tasks.insert(place, task).is_none());
    }

    /// Takes the oldest task of the run whose turn it is; its next turn is after all others'.
    pub(super) fn take(&mut self) -> Option<(RunKey, u64, T)> {
        let (_, run) = self.turns.pop_first()?;
        let lane = self.lanes.get_mut(&run)?;
        let (place, task) = lane.tasks.pop_first()?;
        self.len -= 1;
        if lane.tasks.is_empty() {
            self.lanes.remove(&run);
        } else {
            lane.turn = self.turns.last_key_value().map_or(0, |(last, _)| last + 1);
            self.turns.insert(lane.turn, run);
        }
        Some((run, place, task))
    }

    /// Takes out one task.
    pub(super) fn remove(&mut self, run: RunKey, place: u64) -> Option<T> {
        let lane = self.lanes.get_mut(&run)?;
        let task = lane.tasks.remove(&place)?;
        self.len -= 1;
        if lane.tasks.is_empty() {
            self.turns.remove(&lane.turn);
            self.lanes.remove(&run);
        }
        Some(task)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The oldest task of each run.
    pub(super) fn oldest(&self) -> impl Iterator<Item = &T> {
        self.lanes
            .values()
            .filter_map(|lane| lane.tasks.values().next())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RunKey, u64, &T)> {
        self.lanes.iter().flat_map(|(run, lane)| {
            let tasks = lane.tasks.iter();
            tasks.map(|(place, task)| (*run, *place, task))
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use std::collections::VecDeque;

    fn filled(tasks: impl IntoIterator<Item = (u64, u64)>) -> Backlog<u64> {
        let mut backlog = Backlog::default();
        for (run, place) in tasks {
            backlog.put(RunKey(run), place, place);
        }
        backlog
    }

    fn taken(backlog: &mut Backlog<u64>) -> Vec<(u64, u64)> {
        let all = std::iter::from_fn(|| backlog.take());
        all.map(|(run, _, task)| (run.0, task)).collect()
    }

    #[test]
    fn a_run_with_ten_thousand_tasks_delays_another_by_one() {
        let mut backlog = filled((0..10_000).map(|place| (1, place)));
        assert_eq!(backlog.take().unwrap().0, RunKey(1));
        backlog.put(RunKey(2), 10_000, 10_000);
        assert_eq!(backlog.take().unwrap().0, RunKey(1));
        assert_eq!(backlog.take().unwrap(), (RunKey(2), 10_000, 10_000));
        assert_eq!(backlog.len(), 9_998);
    }

    #[test]
    fn runs_take_turns_and_each_gives_its_oldest() {
        let mut backlog = filled([(1, 1), (1, 2), (1, 3), (2, 4), (3, 5), (2, 6)]);
        let expected = [(1, 1), (2, 4), (3, 5), (1, 2), (2, 6), (1, 3)];
        assert_eq!(taken(&mut backlog), expected);
        assert_eq!(backlog.len(), 0);
    }

    #[test]
    fn a_task_that_comes_back_is_the_next() {
        let mut backlog = filled([(1, 1), (1, 2), (2, 3)]);
        let (run, place, task) = backlog.take().unwrap();
        backlog.put_back(run, place, task);
        assert_eq!(taken(&mut backlog), [(1, 1), (2, 3), (1, 2)]);
        // Also where nothing else of its run waits.
        let mut backlog = filled([(1, 1), (2, 2)]);
        let (run, place, task) = backlog.take().unwrap();
        backlog.put_back(run, place, task);
        assert_eq!(taken(&mut backlog), [(1, 1), (2, 2)]);
    }

    #[test]
    fn what_is_taken_out_is_not_handed_out() {
        let mut backlog = filled([(1, 1), (2, 2), (2, 3)]);
        assert_eq!(backlog.remove(RunKey(1), 1), Some(1));
        assert_eq!(backlog.remove(RunKey(1), 1), None);
        assert_eq!(backlog.remove(RunKey(2), 2), Some(2));
        assert_eq!(taken(&mut backlog), [(2, 3)]);
    }

    /// The same by a list: runs in the order of their turns, each with its tasks.
    #[derive(Default)]
    struct Model(VecDeque<(u64, Vec<u64>)>);

    impl Model {
        fn put(&mut self, run: u64, task: u64) {
            match self.0.iter_mut().find(|(own, _)| *own == run) {
                Some((_, tasks)) => tasks.push(task),
                None => self.0.push_back((run, vec![task])),
            }
        }

        fn take(&mut self) -> Option<(u64, u64)> {
            let (run, mut tasks) = self.0.pop_front()?;
            let task = tasks.remove(0);
            if !tasks.is_empty() {
                self.0.push_back((run, tasks));
            }
            Some((run, task))
        }

        fn put_back(&mut self, run: u64, task: u64) {
            let place = self.0.iter().position(|(own, _)| *own == run);
            let own = place.and_then(|place| self.0.remove(place));
            let (_, mut tasks) = own.unwrap_or((run, vec![]));
            tasks.insert(0, task);
            self.0.push_front((run, tasks));
        }

        fn remove(&mut self, run: u64, task: u64) {
            for (own, tasks) in &mut self.0 {
                tasks.retain(|one| (*own, *one) != (run, task));
            }
            self.0.retain(|(_, tasks)| !tasks.is_empty());
        }
    }

    #[test]
    fn random_operations_do_what_a_plain_list_does() {
        let mut seed = getrandom::u64().unwrap();
        println!("seed {seed}");
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        let (mut backlog, mut model) = (Backlog::default(), Model::default());
        for place in 0..20_000 {
            match random(8) {
                0..4 => {
                    let run = random(7);
                    backlog.put(RunKey(run), place, place);
                    model.put(run, place);
                }
                4..6 => {
                    let took = backlog.take();
                    assert_eq!(took.map(|(run, _, task)| (run.0, task)), model.take());
                }
                6 => {
                    let took = backlog.take();
                    assert_eq!(took.map(|(run, _, task)| (run.0, task)), model.take());
                    if let Some((run, at, task)) = took {
                        backlog.put_back(run, at, task);
                        model.put_back(run.0, task);
                    }
                }
                _ => {
                    let all: Vec<_> = backlog.iter().map(|(run, at, _)| (run, at)).collect();
                    if !all.is_empty() {
                        let (run, at) = all[usize::try_from(random(all.len() as u64)).unwrap()];
                        assert_eq!(backlog.remove(run, at), Some(at));
                        model.remove(run.0, at);
                    }
                }
            }
            let waiting: usize = model.0.iter().map(|(_, tasks)| tasks.len()).sum();
            assert_eq!(backlog.len(), waiting);
        }
    }
}
