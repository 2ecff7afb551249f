// Command pocketbase is PocketBase as its makers build it, with one collection that takes files of any
// size from anyone and keeps them where the environment says: in S3, or in its data folder.
package main

import (
	"log"
	"os"

	"github.com/pocketbase/pocketbase"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"
)

func main() {
	app := pocketbase.New()
	app.OnServe().BindFunc(func(event *core.ServeEvent) error {
		if endpoint := os.Getenv("S3_ENDPOINT"); endpoint != "" {
			settings := event.App.Settings()
			settings.S3.Enabled = true
			settings.S3.Endpoint = endpoint
			settings.S3.Bucket = os.Getenv("S3_BUCKET")
			settings.S3.Region = "us-east-1"
			settings.S3.AccessKey = os.Getenv("AWS_ACCESS_KEY_ID")
			settings.S3.Secret = os.Getenv("AWS_SECRET_ACCESS_KEY")
			settings.S3.ForcePathStyle = true
			if err := event.App.Save(settings); err != nil {
				return err
			}
		}
		files := core.NewBaseCollection("bench")
		files.Fields.Add(&core.FileField{Name: "files", MaxSize: 1 << 40})
		// An empty rule lets everyone in.
		files.CreateRule = types.Pointer("")
		files.ViewRule = types.Pointer("")
		if err := event.App.Save(files); err != nil {
			return err
		}
		return event.Next()
	})
	if err := app.Start(); err != nil {
		log.Fatal(err)
	}
}
