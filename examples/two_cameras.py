"""Two cameras at once: both wait for one packet on the network, and fire when it comes."""

import sys
from contextlib import ExitStack

import heliograph

with ExitStack() as stack:
    cameras = [stack.enter_context(heliograph.open(url)) for url in sys.argv[1:]]
    for camera in cameras:
        camera.apply({"TriggerMode[FrameStart]": "On", "TriggerSource[FrameStart]": "Action0"})
        for name, value in {"DeviceKey": 1, "Selector": 0, "GroupKey": 1, "GroupMask": 1}.items():
            camera.features[f"Action{name}"] = value
        camera.start()
    print(heliograph.fire_action(device_key=1, group_key=1, group_mask=1))
    times_ns = [next(camera.frames(1)).timestamp_ns for camera in cameras]
    for camera in cameras:
        camera.apply({"TriggerMode[FrameStart]": "Off"})
    print(f"exposed {(max(times_ns) - min(times_ns)) / 1e6:.3f} ms apart")
