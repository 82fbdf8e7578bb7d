"""Show a live view in a window of tkinter, which is part of Python; OpenCV's windows need another build of OpenCV."""

import time
from types import TracebackType

from PIL import Image

from pipeline.vision.live import LiveView
from pipeline.workflow.formatting import relative_to_root

KEY_HELP = "q quit   s save   r record   space pause   m mirror"
TITLE = "Facial expressions"
BACKGROUND, FOREGROUND = "#181818", "#dddddd"
MESSAGE_DURATION_MS = 3000
PAUSE_INTERVAL_S = 0.02  # between two updates of a paused window
NO_WINDOW_HINT = "To run without a window: --headless, or Webcam_page.py in a browser."


def format_status(fps: float, is_recording: bool, message: str = "") -> str:
    """Return the line below the image: the frame rate, the keys and a message."""
    keys = KEY_HELP.replace("r record", "r stop recording") if is_recording else KEY_HELP
    return f"{fps:3.0f} frames/s     {keys}     {message}".rstrip()


class Window:
    """A window with the current image, the frame rate, the keys and a message.

    Raises:
        ImportError: this Python has no tkinter.
        ValueError: there is no display.
    """

    def __init__(self):
        self._open()
        self.is_open, self.is_paused = True, False
        self.message = ""
        self.error: BaseException | None = None
        self.keys = {
            "q": self.quit,
            "s": self.save_image,
            "r": self.toggle_recording,
            "space": self.toggle_pause,
            "m": self.toggle_mirror,
        }
        self.root.bind("<Key>", lambda event: self.keys.get(event.keysym.lower(), lambda: None)())
        self.root.protocol("WM_DELETE_WINDOW", self.quit)
        self.root.report_callback_exception = self._quit_with_error  # tkinter would print it and go on

    def _open(self) -> None:
        try:
            import tkinter
        except ImportError as error:
            raise ImportError(
                "This Python has no tkinter, which opens the window. On Debian and Ubuntu: sudo apt install "
                f"python3-tk. {NO_WINDOW_HINT}"
            ) from error
        try:
            self.root = tkinter.Tk(className="Webcam")
        except tkinter.TclError as error:
            raise ValueError(f"No display for the window ({error}). {NO_WINDOW_HINT}") from error
        self.root.title(TITLE)
        self.root.configure(background=BACKGROUND)
        self.image_label = tkinter.Label(self.root, borderwidth=0, background=BACKGROUND)
        self.image_label.pack(expand=True, fill="both")
        self.status_label = tkinter.Label(
            self.root, foreground=FOREGROUND, background=BACKGROUND, anchor="w", padx=8, pady=4
        )
        self.status_label.pack(fill="x")

    def run(self, live_view: LiveView) -> None:
        """Show the live view until the user closes the window or the source ends."""
        self.live_view = live_view
        try:
            while self.is_open:
                if self.is_paused:
                    time.sleep(PAUSE_INTERVAL_S)
                elif not self._show_next_image():
                    break
                text = format_status(live_view.fps, live_view.recorder is not None, self.message)
                self.status_label.configure(text=text)
                self.root.update()
        finally:
            self.root.destroy()
        if self.error:
            raise self.error

    def _show_next_image(self) -> bool:
        from PIL import ImageTk

        image = self.live_view.next_image()
        if image is None:
            return False
        self.photo = ImageTk.PhotoImage(
            Image.fromarray(image)
        )  # Tk needs this reference while it shows the image
        self.image_label.configure(image=self.photo)
        return True

    def quit(self) -> None:
        """Close the window before its next update."""
        self.is_open = False

    def _quit_with_error(self, kind: type[BaseException], error: BaseException, trace: TracebackType) -> None:
        """Close the window after an error in a key's function, such as a full disk, or a signal that arrives in it."""
        self.error = error
        self.quit()

    def save_image(self) -> None:
        """Save the current image."""
        path = self.live_view.save_image()
        if path:
            self.show_message(f"saved {relative_to_root(path)}")

    def toggle_recording(self) -> None:
        """Start a recording, or stop the one in progress."""
        if self.live_view.recorder:
            path = relative_to_root(self.live_view.recorder.path)
            self.live_view.stop_recording()
            self.show_message(f"recorded {path}.mp4 and {path}.csv")
        else:
            path = relative_to_root(self.live_view.start_recording())
            self.show_message(f"recording to {path}.mp4; r stops it")

    def toggle_pause(self) -> None:
        """Pause or resume the view; a paused recording has a gap."""
        self.is_paused = not self.is_paused
        self.show_message("paused; space resumes" if self.is_paused else "resumed")

    def toggle_mirror(self) -> None:
        """Flip the following images horizontally, or no longer."""
        self.live_view.mirror = not self.live_view.mirror

    def show_message(self, message: str) -> None:
        """Print a message, and show it beside the keys for a few seconds."""
        self.message = message
        print(f"  {message}", flush=True)
        self.root.after(MESSAGE_DURATION_MS, self._clear_message, message)

    def _clear_message(self, message: str) -> None:
        if self.message == message and not self.is_paused:
            self.message = ""
