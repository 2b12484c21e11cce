"""GigE Vision on the wire: GVCP and GVSP packets, the device side and the client side.

An independent implementation from public sources (Wireshark's dissectors, Aravis' behaviour, EMVA's SFNC and PFNC);
the A3 specification has not been read. Not certified, not affiliated with A3 or EMVA.
"""
