"""A way to a registry on which a manifest gets stuck, as on the network of a host that freezes or is cut off."""

import socket
import threading
from contextlib import suppress


class Road:
    """A way to the registry on which the first manifest that is put under `latest` gets stuck until it is let loose."""

    def __init__(self, address: str, target: tuple[str, int]) -> None:
        self.target = target
        self.stuck, self.loose = threading.Event(), threading.Event()
        self.door = socket.create_server((address, 0))
        self.port = self.door.getsockname()[1]
        self.ends: list[socket.socket] = [self.door]
        threading.Thread(target=self._welcome, daemon=True).start()

    def _welcome(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.door.accept()
                far = socket.create_connection(self.target)
                self.ends += [near, far]
                threading.Thread(target=self._carry, args=(near, far), daemon=True).start()
                threading.Thread(target=self._carry, args=(far, near), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 20):
                if data.startswith(b"PUT ") and b"/manifests/latest " in data and not self.stuck.is_set():
                    self.stuck.set()
                    self.loose.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.loose.set()
        for end in self.ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
