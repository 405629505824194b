"""OpenCV, for all of the package: each call computes in the thread that makes it.

Pictures are decoded many at once, a thread each. OpenCV's own threads, within each of these, would
only wait for each other, and a process forked after their first use would wait for them forever.
Its warnings of damaged files are silenced: the errors that name a file give the reason.
"""

import cv2

cv2.setNumThreads(1)
# OpenCV 5 has it in another place than 4.
(cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging).setLogLevel(2)  # errors

__all__ = ["cv2"]
