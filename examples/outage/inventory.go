package main

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
)

// stock is the configuration of the inventory service.
type stock struct {
	Pieces int `mapstructure:"pieces" validate:"gte=0"`
}

// inventory is a service that is called by name: GET /stock.
func inventory(svc *holdfast.Service, engine *gin.Engine) error {
	shelf, err := holdfast.Bind(svc.Config(), "stock", stock{})
	if err != nil {
		return err
	}
	engine.GET("/stock", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"pieces": shelf.Get().Pieces}) })
	return nil
}
