// Command servecontent serves the files of a folder with http.ServeContent of Go's standard library:
// one of the two oracles that the gateway's answers to ranges and conditions are held against.
package main

import (
	"flag"
	"log"
	"net/http"
	"os"
	"strings"
)

func main() {
	address := flag.String("listen", "127.0.0.1:0", "the socket address")
	folder := flag.String("folder", ".", "the folder with the files")
	flag.Parse()
	root, err := os.OpenRoot(*folder)
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", func(answer http.ResponseWriter, request *http.Request) {
		file, err := root.Open(strings.TrimPrefix(request.URL.Path, "/"))
		if err != nil {
			http.NotFound(answer, request)
			return
		}
		defer file.Close()
		about, err := file.Stat()
		if err != nil || about.IsDir() {
			http.NotFound(answer, request)
			return
		}
		// ServeContent makes no entity tag of its own; the files are called by theirs.
		answer.Header().Set("ETag", `"`+about.Name()+`"`)
		answer.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(answer, request, "", about.ModTime(), file)
	})
	log.Fatal(http.ListenAndServe(*address, nil))
}
