package workflows

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// JSON is made of structs, slices and plain values alone, never of maps, so it comes out the same every time. The
// checker can't see that through encoding/json's reflection.

// encode is the value's JSON.
func encode(value any) []byte {
	data, err := json.Marshal(value) //workflowcheck:ignore
	if err != nil {
		panic(err) // what workflows encode always encodes
	}
	return data
}

// decodeLoosely reads JSON and overlooks what it doesn't know.
func decodeLoosely(data []byte, into any) error {
	return json.Unmarshal(data, into) //workflowcheck:ignore
}

// decodeStrictly reads one JSON value and refuses what it doesn't know.
func decodeStrictly(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into) //workflowcheck:ignore
	if err != nil {
		return fmt.Errorf("its payload is not as documented: %w", err)
	}
	_, err = decoder.Token() //workflowcheck:ignore
	if !errors.Is(err, io.EOF) {
		return errors.New("its payload has something after the object")
	}
	return nil
}
