package login

// Store keeps what login counts and recognises.
type Store interface{}
