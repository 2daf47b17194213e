package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
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
	peers   *holdfast.Endpoints
	client  *http.Client
	retried atomic.Int64 // calls that another instance had to answer
}

// program adds the routes.
func (o *orders) program(svc *holdfast.Service, engine *gin.Engine) error {
	limit, err := holdfast.Bind(svc.Config(), "limits", limits{MaxItems: 1})
	if err != nil {
		return err
	}
	o.peers = svc.Endpoints("inventory")
	o.client = &http.Client{Transport: &http.Transport{}}
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

// stock asks an instance of inventory, and another one if that does not answer:
// an instance that is going is a fact of life, with and without etcd.
func (o *orders) stock(ctx context.Context) (int, error) {
	asked := make(map[string]bool)
	var errs []error
	for range 16 { // others pick in turn too, so that it may take some picks to meet the other instance
		picked, err := o.peers.Pick(ctx)
		if err != nil {
			return 0, errors.Join(append(errs, err)...)
		}
		in := picked.Instance()
		if asked[in.ID] {
			continue
		}
		asked[in.ID] = true
		pieces, err := o.ask(ctx, in.Endpoints[0]+"/stock")
		picked.Done(err)
		if err == nil {
			return pieces, nil
		}
		o.retried.Add(1)
		errs = append(errs, err)
	}
	return 0, errors.Join(errs...)
}

func (o *orders) ask(ctx context.Context, url string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var body struct {
		Pieces int `json:"pieces"`
	}
	switch r := getWith(ctx, o.client, url, &body); {
	case r.err != nil:
		return 0, r.err
	case r.code != http.StatusOK:
		return 0, fmt.Errorf("%s answered %d", url, r.code)
	}
	return body.Pieces, nil
}
