"""What a day's numbers must be, said by somebody who has the whole day before him: sort, group, add up. No code of the folds."""
