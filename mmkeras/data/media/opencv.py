"""OpenCV, for all of the package: each call computes in the thread that makes it.

Pictures are decoded many at once, a thread each. OpenCV's own threads, within each of these, would
only wait for each other, and a process forked after their first use would wait for them forever.
"""

import cv2

cv2.setNumThreads(1)

__all__ = ["cv2"]
