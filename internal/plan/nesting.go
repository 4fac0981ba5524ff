package plan

import (
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// deepest is how many brackets may be open at once, and how many columns a line may be indented. A plan needs fewer than
// twenty; the parser's memory grows with the square of it, to 20 GB for a file of dashes.
const deepest = 200

// parseYAML parses what isn't nested too deeply; else it returns the first token that is.
func parseYAML(data []byte) (*ast.File, *token.Token, error) {
	tokens := lexer.Tokenize(string(data))
	if deep := tooDeep(tokens); deep != nil {
		return nil, deep, nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	return file, nil, err
}

func tooDeep(tokens token.Tokens) *token.Token {
	open, line := 0, 0
	for _, t := range tokens {
		indents := t.Position.Line != line // is the first of its line
		line = t.Position.Line
		switch t.Type {
		case token.CommentType:
			continue
		case token.SequenceStartType, token.MappingStartType:
			open++
		case token.SequenceEndType, token.MappingEndType:
			open--
		case token.SequenceEntryType, token.MappingKeyType:
			indents = true
		}
		if open > deepest || indents && t.Position.Column > deepest {
			return t
		}
	}
	return nil
}
