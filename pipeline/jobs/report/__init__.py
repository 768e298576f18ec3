"""The HTML report of a published run: one small file without a script that loads nothing, however many rows there are.

`facts` reads what the manifest does not have from the run's files and the history of its folder; `pictures` turns
numbers into shapes, `words` into sentences; `page` fills in the template; `write` puts the file where it belongs. No
address, name or credential is in any of it: what comes from replies is counted, never shown.
"""
