"""A simulated Kartra `get_lead` API on loopback, for demos and tests: invented people, real trouble.

    options     every switch, its default and its help
    people      an address and a seed become an invented lead (words come from vocabulary)
    replies     what goes back over the wire, and JSON as PHP writes it
    shapes      a normal lead bent into every shape the API is known or feared to use
    malformed   replies that are no answer: pages, cut-off bodies, closed connections
    behaviours  the table of names that, as the local part of an address, choose a reply
    form        request bodies as PHP reads them
    window      calls in any one-second span, and the limit on them
    stats       what was asked, answered and refused
    api         one call in, one reply out: the order in which everything is checked
    server      HTTP: listens, delivers (or does not), shuts down
    process     the sandbox as a child process, for tests and `--sandbox`
    samples     the files of data/replies

The package imports nothing else of `pipeline`, so that a mistake there cannot hide itself here.
"""
