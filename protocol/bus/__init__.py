"""The bus: signed frames over ZeroMQ PUB/SUB, two hubs, and delivery that is made to happen."""
