"""Define the formats of figures, without starting Matplotlib."""

from typing import Annotated, Literal

from annotated_types import MinLen

FigureFormat = Literal["png", "svg", "pdf"]
FigureFormats = Annotated[tuple[FigureFormat, ...], MinLen(1)]
