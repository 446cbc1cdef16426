// Functions without a body, as rbac.go has them, need a file of assembly beside them.
