package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	holdfastgin "github.com/holdfast-go/holdfast/gin"
)

// limits is the configuration of the orders service.
type limits struct {
	MaxItems int `mapstructure:"max_items" validate:"gt=0"`
}

// orders is a service that calls another one by name for each request: GET
// /order.
type orders struct {
	client *http.Client // finds inventory by its name
	pool   *http.Transport
}

// program adds the routes.
func (o *orders) program(svc *holdfast.Service, engine *gin.Engine) error {
	limit, err := holdfast.Bind(svc.Config(), "limits", limits{MaxItems: 1})
	if err != nil {
		return err
	}
	svc.Endpoints("inventory")
	o.pool = &http.Transport{}
	o.client = &http.Client{Transport: holdfast.Transport(svc, o.pool), Timeout: 2 * time.Second}
	engine.GET("/order", holdfastgin.Provenance(svc, holdfastgin.ProvenanceOptions{Headers: true}), func(c *gin.Context) {
		pieces, err := o.stock(c.Request.Context())
		if err != nil {
			c.JSON(http.StatusBadGateway, gin.H{"error": err.Error()})
			return
		}
		c.JSON(http.StatusOK, order{MaxItems: limit.Get().MaxItems, Pieces: pieces})
	})
	return nil
}

// order is what GET /order answers.
type order struct {
	MaxItems int `json:"max_items"`
	Pieces   int `json:"pieces"`
}

// stock asks an instance of inventory, and another one if that does not answer: an
// instance that is going is a fact of life, with and without etcd.
func (o *orders) stock(ctx context.Context) (int, error) {
	var body struct {
		Pieces int `json:"pieces"`
	}
	switch r := getWith(ctx, o.client, "http://inventory/stock", &body); {
	case r.err != nil:
		return 0, r.err
	case r.code != http.StatusOK:
		return 0, fmt.Errorf("inventory answered %d", r.code)
	}
	return body.Pieces, nil
}
