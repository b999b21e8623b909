package audit

// Name is what was done, from the closed list below. Names are part of what is
// stored and proved: they are never renamed or reused.
type Name string
