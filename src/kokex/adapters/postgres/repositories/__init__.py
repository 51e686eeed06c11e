"""One repository a file: each fulfils one protocol of `kokex.ports.store`."""
