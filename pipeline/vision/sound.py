"""Copy the sound of a video file into another one."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer

from pipeline.vision.video_io import open_container

COPIED_CODECS = ("aac", "mp3", "mp3float", "opus")  # browsers play these in MP4; others are encoded as AAC
AAC_FRAME_SIZE = 1024  # samples


class Sound:
    """The sound of a video file, which is written to another one up to the time of its frames.

    Sound that cannot be decoded ends the copy of the sound, not that of the video.

    Args:
        path: of the video file.
        start_s: timestamp in the file, in seconds, that becomes 0; earlier sound is left out.

    Raises:
        FileNotFoundError, PermissionError, ValueError: the file cannot be opened.
    """

    def __init__(self, path: Path, start_s: float):
        self.start_s = start_s
        self.source = open_container(path)
        self.stream = self.source.streams.best("audio")
        self.packets: Iterator[av.Packet] = iter(())
        self.next_packet: av.Packet | None = None

    def add_to(self, output: OutputContainer) -> None:
        """Add a stream to a file to which no frame has been written yet."""
        self.output = output
        if not isinstance(self.stream, AudioStream):
            return
        if self.stream.codec_context.name in COPIED_CODECS:
            copied = output.add_stream_from_template(self.stream)
            self.packets = self._copy(self.stream, copied)
        else:
            layout = "mono" if self.stream.channels == 1 else "stereo"
            encoded = output.add_stream("aac", rate=self.stream.rate, layout=layout)
            self.packets = self._encode(self.stream, encoded)
        self._advance()

    def write_until(self, seconds: Fraction | float) -> None:
        """Write the sound that begins before a time of the new file."""
        while self.next_packet is not None and to_seconds(self.next_packet) < seconds:
            self.output.mux(self.next_packet)
            self._advance()

    def close(self) -> None:
        """Close the file that the sound is read from."""
        self.source.close()

    def _advance(self) -> None:
        """Set the next packet that does not begin before 0, such as the one with which encoders of AAC begin."""
        try:
            self.next_packet = next((packet for packet in self.packets if to_seconds(packet) >= 0), None)
        except av.FFmpegError:
            self.next_packet = None

    def _copy(self, stream: AudioStream, copied: AudioStream) -> Iterator[av.Packet]:
        """Yield the packets of the file."""
        for packet in self.source.demux(stream):
            if packet.pts is not None and packet.dts is not None:  # the last one is empty
                offset = round(self.start_s / packet.time_base)
                packet.pts, packet.dts = packet.pts - offset, packet.dts - offset
                packet.stream = copied
                yield packet

    def _encode(self, stream: AudioStream, encoded: AudioStream) -> Iterator[av.Packet]:
        """Yield packets of AAC."""
        rate = encoded.rate
        resampler = av.AudioResampler("fltp", encoded.layout, rate, frame_size=AAC_FRAME_SIZE)
        for packet in self.source.demux(stream):
            for frame in stream.decode(packet):
                frame.pts = round(((frame.time or 0.0) - self.start_s) * rate)
                frame.time_base = Fraction(1, rate)
                if frame.pts >= 0:
                    for resampled in resampler.resample(frame):
                        yield from encoded.encode(resampled)
        for resampled in resampler.resample(None):
            yield from encoded.encode(resampled)
        yield from encoded.encode()


def to_seconds(packet: av.Packet) -> float:
    """Return the time of a packet."""
    return float((packet.dts or 0) * packet.time_base)
