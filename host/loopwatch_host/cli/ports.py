"""`loopwatch ports`: which boards are plugged in."""

import typer
from rich.table import Table
from serial.tools import list_ports as pyserial_ports

from .. import ports
from ..errors import NoBoard
from . import output


def list_ports(
    everything: bool = typer.Option(False, "--all", help="Serial ports that are no boards, too."),
    as_json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """List the boards plugged in; exit code 3 when there is none."""
    infos = list(pyserial_ports.comports())
    found = ports.found(infos)
    rows = [vars(port) for port in found if port.is_board or everything]
    if everything:
        named = {port.device for port in found}
        plain = [info.device for info in infos if info.device not in named]
        rows += [vars(ports.Port(device, "", "", "", False)) for device in sorted(plain)]
    if as_json:
        output.document({"ports": rows})
    elif rows:
        table = Table(box=None, header_style="bold")
        for title in ("port", "USB id", "serial number", "product", "board"):
            table.add_column(title, no_wrap=True)
        for row in rows:
            table.add_row(
                *(str(row[key]) for key in ("device", "usb_id", "serial_number", "product")),
                "yes" if row["is_board"] else "",
            )
        output.answers().print(table)
    if not any(port.is_board for port in found):
        try:
            ports.the_board(infos)
        except NoBoard as error:
            output.error(str(error), error.exit_code, as_json=False)
            raise typer.Exit(error.exit_code) from None
