"""The sweep over parameters: Optuna, and nothing else of it elsewhere.

Modules load Optuna inside functions, and no module knows Keras: training is a function that is handed in.
"""
