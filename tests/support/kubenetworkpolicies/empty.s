// Lets Go's compiler take a function without a body, which engine.go has: it is another package's.
