module order-saga-go

go 1.25

require sandglass v0.0.0

replace sandglass => ../../guest-sdk/go
