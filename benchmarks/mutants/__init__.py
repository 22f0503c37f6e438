"""Silent-bug mutants: classic errors planted one at a time, and which test notices each."""
