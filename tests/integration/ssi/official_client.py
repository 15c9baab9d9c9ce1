"""What a user of SSI's own Python client writes: REST, then the stream. Runs in that client's environment, apart from ours.

    python official_client.py URL DATE CHANNELS

Nothing here knows of the simulator; only the URL says where SSI is. Prints one JSON object a line: the answers of REST, each
under the name of its call, then what came over the stream.
"""

import json
import sys
import threading
from types import SimpleNamespace
from typing import Any

from ssi_fc_data import fc_md_client, fc_md_stream
from ssi_fc_data.model import model

url, date, channels = sys.argv[1:]
config = SimpleNamespace(auth_type="Bearer", consumerID="demo", consumerSecret="demo", url=url, stream_url=url)
writing = threading.Lock()


def tell(what: str, answer: Any) -> None:
    with writing:
        # The client prints what it likes, without regard to our lines.
        sys.stdout.write("\n" + json.dumps({what: answer}) + "\n")
        sys.stdout.flush()


client = fc_md_client.MarketDataClient(config)
tell("access_token", client.access_token(model.accessToken("demo", "demo")))
tell("securities", client.securities(config, model.securities("HOSE", 1, 100)))
tell("securities_details", client.securities_details(config, model.securities_details("HOSE", "HPG")))
tell("index_components", client.index_components(config, model.index_components("VN30", 1, 100)))
tell("index_list", client.index_list(config, model.index_list("HOSE", 1, 100)))
tell("daily_ohlc", client.daily_ohlc(config, model.daily_ohlc("HPG", "01/11/2026", date, 1, 100, True)))
tell("intraday_ohlc", client.intraday_ohlc(config, model.intraday_ohlc("HPG", date, date, 1, 100, True, 1)))
tell("daily_index", client.daily_index(config, model.daily_index("1", "VNINDEX", date, date, 1, 100, "", "")))
tell("daily_stock_price", client.daily_stock_price(config, model.daily_stock_price("HPG", date, date, 1, 100, "HOSE")))
tell("backtest", client.backtest(config, model.backtest(date, "HPG")))

stream = fc_md_stream.MarketDataStream(config, client)
stream.start(lambda message: tell("record", message), lambda error: tell("error", str(error)), channels)
threading.Event().wait()
