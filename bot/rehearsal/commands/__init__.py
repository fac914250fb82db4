"""Commands, one module per subject. Each function takes a Call and returns an Answer."""
