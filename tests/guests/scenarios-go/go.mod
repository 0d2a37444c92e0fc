// The workflows of the acceptance scenarios in Go, as tests/guests/scenarios has them in Rust.
module guest-scenarios-go

go 1.25

require sandglass v0.0.0

replace sandglass => ../../../guest-sdk/go
