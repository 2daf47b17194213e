package customdriver_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/examples/customdriver"
)

// A driver of one's own takes the place of any other.
func Example() {
	if err := follow(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// max_items is 100
	// max_items is 250
}

func follow(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "journal-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "journal")
	if err := customdriver.Create(path); err != nil {
		return err
	}
	push := func(value string) error {
		return customdriver.Append(path, customdriver.Transaction{Put: map[string][]byte{"/config/orders/limits/max_items": []byte(value)}})
	}
	if err := push("100"); err != nil {
		return err
	}

	config, err := holdfast.OpenConfig(customdriver.New(path, "/config/orders/", customdriver.Options{}),
		holdfast.ConfigOptions{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { _ = config.Close(ctx) }()
	if err := config.WaitLevel(ctx, core.Live); err != nil {
		return err
	}
	limit, err := holdfast.Bind(config, "limits/max_items", 1)
	if err != nil {
		return err
	}
	fmt.Println("max_items is", limit.Get())

	changed := make(chan int, 1)
	defer limit.OnChange(func(_, now int) { changed <- now })()
	if err := push("250"); err != nil {
		return err
	}
	fmt.Println("max_items is", <-changed)
	return nil
}
