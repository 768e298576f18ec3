"""What others are told about how an attempt at a job ended: files beside the runs, metrics, pings, notifications.

`ending` has what all of them are told, and every other module is one reporter: a function `report(ending, context)`
that raises nothing but `ReporterFailed`. `reporting` runs those that the settings ask for.
"""
