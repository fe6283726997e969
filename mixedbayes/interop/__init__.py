"""Other packages: a model as their code and objects, and theirs as ours."""
