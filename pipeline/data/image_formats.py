"""The image formats that are read, and the extensions of their files."""

from importlib.util import find_spec
from pathlib import Path

from PIL import Image

# What is opened, by content. PostScript and Windows metafiles are not here: Pillow runs other programs to read them.
FORMATS = (
    *("AVIF", "BLP", "BMP", "CUR", "DCX", "DDS", "DIB", "GIF", "HEIF", "ICNS", "ICO", "JPEG", "JPEG2000"),
    *("MPO", "MSP", "PCX", "PIXAR", "PNG", "PPM", "PSD", "QOI", "SGI", "SUN", "TGA", "TIFF", "WEBP"),
    *("XBM", "XPM"),
)
MULTI_IMAGE_FORMATS = ("AVIF", "GIF", "HEIF", "PNG", "TIFF", "WEBP")  # animations, bursts and pages
HEIF_EXTENSIONS = (".heic", ".heics", ".heif", ".heifs", ".hif")
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
HEIF_PACKAGE_MISSING = "HEIC needs the package pillow-heif. Run: python3 -m pip install pillow-heif"

Image.init()  # registers the formats of this build of Pillow
if find_spec("pillow_heif"):
    import pillow_heif

    pillow_heif.register_heif_opener()

EXTENSIONS_BY_FORMAT = {
    name: tuple(
        extension for extension, format_name in Image.registered_extensions().items() if format_name == name
    )
    for name in FORMATS
} | {"HEIF": HEIF_EXTENSIONS}
IMAGE_EXTENSIONS = tuple(
    extension for extensions in EXTENSIONS_BY_FORMAT.values() for extension in extensions
)


def formats_to_try(path: Path) -> list[str]:
    """Return the formats that a file may have; TGA has no signature, so that only its extension tells it."""
    is_tga = path.name.lower().endswith(EXTENSIONS_BY_FORMAT["TGA"])
    return [name for name in FORMATS if name in Image.OPEN and (is_tga or name != "TGA")]


def is_heif(path: Path) -> bool:
    """Return whether a file is a HEIC or HEIF image, by its first bytes."""
    with open(path, "rb") as file:
        start = file.read(12)
    return start[4:8] == b"ftyp" and start[8:12] in HEIF_BRANDS
