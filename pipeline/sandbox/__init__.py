"""A simulated Kartra `get_lead` API on loopback, for demos and tests: invented people and real trouble.

    options     every switch with its default and help
    people      turns an address and a seed into an invented lead, using the words in vocabulary
    replies     HTTP replies, and JSON as PHP encodes it
    shapes      variations of a normal lead, in every shape the API is known or suspected to use
    renderings  how leads are written in normal replies, by the switch `shape`
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
