"""A simulated Kartra `get_lead` API on loopback, for demos and tests: invented people and real trouble.

    options     every switch with its default and help
    people      turns an address and a seed into an invented lead, using the words in vocabulary
    replies     HTTP replies, and JSON as PHP encodes it
    alterations other values and other items for a person
    events      what happens to people as they age: they change, are merged, leave, are deleted, come back
    ageing      turns an address and an epoch into what has become of the person by then
    changes     what the sandbox changed from one epoch to another, for those who measure a feed of changes
    shapes      variations of a normal lead, in every shape the API is known or suspected to use
    renderings  how leads are written in normal replies, by the switch `shape`
    rewriting   says the same in another way: order of keys and items, integers as text
    faults      replies that are not answers: error pages, truncated bodies, closed connections
    behaviours  the table of names that select a reply when used as the local part of an address
    window      counts calls in any one-second window, and limits them
    stats       counts calls, answers and refusals
    api         one call in, one reply out: the order in which everything is checked
    server      HTTP: listens, delivers replies (or fails to), shuts down
    process     the sandbox as a child process, for tests and `--sandbox`
    samples     writes the files in data/replies

The package imports nothing else from `pipeline`, so that a mistake there cannot cancel itself out here.
"""
