// What a Go program does with net/http alone, without a library of ClickHouse's: `go run client.go URL DATABASE PASSWORD`.
//
// The database has a table `prints (symbol String, day Date, price Int32)` with VNM at 60,000 on 2026-11-20 in it.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
)

type print struct {
	Symbol string `json:"symbol"`
	Day    string `json:"day"`
	Price  int32  `json:"price"`
}

// ask sends a statement, with the data of an insert behind it, and hands out the answer.
func ask(base, user, password, statement string, data io.Reader, parameters url.Values) (*http.Response, error) {
	parameters.Set("query", statement)
	request, err := http.NewRequest(http.MethodPost, base+"/?"+parameters.Encode(), data)
	if err != nil {
		return nil, err
	}
	request.SetBasicAuth(user, password)
	return http.DefaultClient.Do(request)
}

func check(wanted, found any, what string) {
	if wanted != found {
		log.Fatalf("not found: %s (wanted %v, found %v)", what, wanted, found)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	log.SetFlags(0)
	base, database, password := os.Args[1], os.Args[2], os.Args[3]
	in := func(named ...string) url.Values {
		parameters := url.Values{"database": {database}}
		for i := 0; i < len(named); i += 2 {
			parameters.Set(named[i], named[i+1])
		}
		return parameters
	}

	// The transport asks for gzip by itself, and unpacks it.
	answer := must(ask(base, "default", "", "SELECT symbol, day, price FROM prints WHERE symbol = {symbol:String} FORMAT JSONEachRow",
		nil, in("param_symbol", "VNM", "enable_http_compression", "1", "max_threads", "1")))
	check(http.StatusOK, answer.StatusCode, "an answer")
	check(true, answer.Uncompressed, "a compressed answer")
	var found print
	if err := json.NewDecoder(answer.Body).Decode(&found); err != nil {
		log.Fatal(err)
	}
	answer.Body.Close()
	check(print{"VNM", "2026-11-20", 60000}, found, "the print")

	many := must(ask(base, "default", "", "SELECT number FROM numbers(100000) FORMAT TabSeparated", nil, in()))
	seen := 0
	for lines := bufio.NewScanner(many.Body); lines.Scan(); {
		seen++
	}
	many.Body.Close()
	check(100000, seen, "a streamed answer")

	wrong := must(ask(base, "default", "", "SELECT nothing FROM prints", nil, in()))
	check("47", wrong.Header.Get("X-ClickHouse-Exception-Code"), "the code of an error")
	wrong.Body.Close()
	refused := must(ask(base, "default", "", "DROP TABLE prints", nil, in()))
	check(http.StatusForbidden, refused.StatusCode, "a refusal")
	refused.Body.Close()

	var rows strings.Builder
	for price := range 1000 {
		row := must(json.Marshal(print{"GO", "2026-11-23", int32(price)}))
		fmt.Fprintln(&rows, string(row))
	}
	written := must(ask(base, "sink", password, "INSERT INTO prints FORMAT JSONEachRow", strings.NewReader(rows.String()), in()))
	check(http.StatusOK, written.StatusCode, "an insert")
	written.Body.Close()
	counted := must(ask(base, "default", "", "SELECT count(), sum(price) FROM prints WHERE symbol = 'GO'", nil, in()))
	check("1000\t499500\n", string(must(io.ReadAll(counted.Body))), "what was inserted")
	counted.Body.Close()
	fmt.Println("go: ok")
}
