"""Asking: `kartra` knows the wire, `client` makes a call, `pace` says when, `retry` if again, `fanout` runs it all."""
