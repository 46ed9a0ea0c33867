"""The DNS: names, questions, messages, and their form on the wire. The only room that imports dnspython."""
