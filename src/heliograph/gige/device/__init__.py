"""The camera's side of GigE Vision: a register map, a GenICam XML and a stream made from any `Camera`."""
