// Command quickstart is the smallest Holdfast service: configuration that reloads,
// health endpoints, and a registration, on a backend inside the process.
//
//	go -C examples run ./quickstart
//	curl http://127.0.0.1:8080/hello
//
// With etcd the two lines of the backend become
//
//	client, err := etcd.Dial(etcd.DialOptions{Endpoints: []string{"http://127.0.0.1:2379"}})
//
// and client.Registry(etcd.RegistryOptions{}), client.ConfigSource("/config/hello/",
// etcd.ConfigOptions{}).
package main

import (
	"context"
	"log"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/drivers/memory"
	holdfastgin "github.com/holdfast-go/holdfast/gin"
)

type greeting struct {
	Text string `mapstructure:"text" validate:"required"`
}

func main() {
	if err := serve(context.Background(), "127.0.0.1:8080", holdfastgin.RunOptions{}); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, addr string, opts holdfastgin.RunOptions) error {
	backend := memory.New(memory.Options{})
	defer backend.Close()
	backend.Put("/config/hello/greeting/text", []byte("hello, world"))

	svc, err := holdfast.Start(ctx, holdfast.Options{
		Name:     "hello",
		Registry: backend.Registry(),
		Config:   backend.ConfigSource("/config/hello/"),
	})
	if err != nil {
		return err
	}
	greet, err := holdfast.Bind(svc.Config(), "greeting", greeting{Text: "hello"})
	if err != nil {
		return err
	}
	engine := gin.New()
	engine.GET("/hello", func(c *gin.Context) { c.String(200, greet.Get().Text) })
	if err := holdfastgin.Mount(engine, svc, holdfastgin.MountOptions{}); err != nil {
		return err
	}
	return holdfastgin.Run(ctx, svc, engine, addr, opts)
}
