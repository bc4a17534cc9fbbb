"""What probably happened: bounded evidence, a model or rules that read it, claims that cite it."""
