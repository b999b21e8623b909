package stencil

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"text/template/parse"
)

// expr is a value that a template names, of a type that is known beforehand and
// is no interface.
type expr struct {
	typ  reflect.Type
	get  func(*frame) reflect.Value
	text func(*frame) string // the same for a kind of string; nil for others
	said any                 // what stands in the template itself; nil: anything else
}

func isInt(t reflect.Type) bool { return t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64 }

// valued is an expr by its value.
func valued(t reflect.Type, get func(*frame) reflect.Value) expr {
	e := expr{typ: t, get: get}
	if t.Kind() == reflect.String {
		e.text = func(f *frame) string { return get(f).String() }
	}
	return e
}

// texted is an expr by its text.
func texted(t reflect.Type, text func(*frame) string) expr {
	get := func(f *frame) reflect.Value { return reflect.ValueOf(text(f)) }
	if t != reflect.TypeFor[string]() {
		get = func(f *frame) reflect.Value { return reflect.ValueOf(text(f)).Convert(t) }
	}
	return expr{typ: t, get: get, text: text}
}

func constant(value any) expr {
	v := reflect.ValueOf(value)
	e := valued(v.Type(), func(*frame) reflect.Value { return v })
	e.said = value
	if s, ok := value.(string); ok {
		e.text = func(*frame) string { return s }
	}
	return e
}

// boxed returns how a value is handed to a function.
func (e expr) boxed() func(*frame) any {
	switch {
	case e.said != nil:
		return func(*frame) any { return e.said }
	case e.typ == reflect.TypeFor[string]():
		return func(f *frame) any { return e.text(f) }
	}
	return func(f *frame) any { return e.get(f).Interface() }
}

// truth is what the if of templates holds for true. Types that it does not know
// are refused by holdable.
func truth(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.String, reflect.Map:
		return v.Len() > 0
	case reflect.Bool:
		return v.Bool()
	case reflect.Pointer:
		return !v.IsNil()
	case reflect.Struct:
		return true
	}
	return v.Int() != 0
}

func holdable(t reflect.Type) bool {
	return isInt(t) || slices.Contains([]reflect.Kind{reflect.Slice, reflect.String, reflect.Map, reflect.Bool, reflect.Pointer, reflect.Struct}, t.Kind())
}

// pipe is the value of a pipeline of one command.
func (c *cutter) pipe(p *parse.PipeNode, in scope) (expr, error) {
	if len(p.Cmds) != 1 || len(p.Decl) > 0 {
		return expr{}, other(p, "only html/template has pipes and variables")
	}
	return c.command(p.Cmds[0], in)
}

// command is the value of a command.
func (c *cutter) command(n *parse.CommandNode, in scope) (expr, error) {
	e, err := c.first(n, in)
	if err == nil && !holdable(e.typ) {
		err = other(n, "only html/template knows values of the type "+e.typ.String())
	}
	return e, err
}

func (c *cutter) first(n *parse.CommandNode, in scope) (expr, error) {
	dot := valued(in.dot, func(f *frame) reflect.Value { return f.dot })
	args := n.Args[1:]
	switch first := n.Args[0].(type) {
	case *parse.FieldNode:
		return c.members(n, dot, first.Ident, args, in)
	case *parse.VariableNode:
		if first.Ident[0] != "$" {
			return expr{}, other(n, "only html/template has variables")
		}
		root := valued(in.root, func(f *frame) reflect.Value { return f.root })
		return c.members(n, root, first.Ident[1:], args, in)
	case *parse.ChainNode:
		of, err := c.operand(first.Node, in)
		if err != nil {
			return expr{}, err
		}
		return c.members(n, of, first.Field, args, in)
	case *parse.IdentifierNode:
		return c.function(n, first.Ident, args, in)
	}
	if len(args) > 0 {
		return expr{}, other(n, "is no function")
	}
	switch first := n.Args[0].(type) {
	case *parse.DotNode:
		return dot, nil
	case *parse.PipeNode:
		return c.pipe(first, in)
	case *parse.StringNode:
		return constant(first.Text), nil
	case *parse.BoolNode:
		return constant(first.True), nil
	case *parse.NumberNode:
		if n, err := strconv.Atoi(first.Text); err == nil { // not 1e3 or 'a', which are no int to all
			return constant(n), nil
		}
	}
	return expr{}, other(n, "only html/template knows this value")
}

// operand is a value that a command is given.
func (c *cutter) operand(n parse.Node, in scope) (expr, error) {
	return c.command(&parse.CommandNode{NodeType: parse.NodeCommand, Args: []parse.Node{n}}, in)
}

func (c *cutter) operands(nodes []parse.Node, in scope) ([]expr, error) {
	all := make([]expr, 0, len(nodes))
	for _, n := range nodes {
		e, err := c.operand(n, in)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// condition is whether a pipeline holds.
func (c *cutter) condition(p *parse.PipeNode, in scope) (func(*frame) bool, error) {
	if len(p.Cmds) != 1 || len(p.Decl) > 0 {
		return nil, other(p, "only html/template has pipes and variables")
	}
	n := p.Cmds[0]
	if name, ok := n.Args[0].(*parse.IdentifierNode); ok && len(n.Args) > 1 {
		switch name.Ident {
		case "and", "or":
			return c.conditions(n.Args[1:], name.Ident == "or", in)
		case "not":
			if len(n.Args) == 2 {
				holds, err := c.holds(n.Args[1], in)
				return func(f *frame) bool { return !holds(f) }, err
			}
		}
	}
	e, err := c.command(n, in)
	return holding(e), err
}

func holding(e expr) func(*frame) bool {
	if e.text != nil {
		return func(f *frame) bool { return e.text(f) != "" }
	}
	return func(f *frame) bool { return truth(e.get(f)) }
}

func (c *cutter) holds(n parse.Node, in scope) (func(*frame) bool, error) {
	if p, ok := n.(*parse.PipeNode); ok {
		return c.condition(p, in)
	}
	e, err := c.operand(n, in)
	return holding(e), err
}

// conditions is whether all hold or, with enough, one of them.
func (c *cutter) conditions(nodes []parse.Node, enough bool, in scope) (func(*frame) bool, error) {
	var all []func(*frame) bool
	for _, n := range nodes {
		holds, err := c.holds(n, in)
		if err != nil {
			return nil, err
		}
		all = append(all, holds)
	}
	return func(f *frame) bool {
		for _, holds := range all {
			if holds(f) == enough {
				return enough
			}
		}
		return !enough
	}, nil
}

// function is the value of one of the few functions of templates that pages use.
func (c *cutter) function(n *parse.CommandNode, name string, nodes []parse.Node, in scope) (expr, error) {
	if !slices.Contains([]string{"and", "or", "not", "len", "eq", "ne", "lt", "le", "gt", "ge"}, name) {
		return expr{}, other(n, "only html/template has this function")
	}
	args, err := c.operands(nodes, in)
	if err != nil {
		return expr{}, err
	}
	truthOf := func(holds func(*frame) bool) (expr, error) {
		return valued(reflect.TypeFor[bool](), func(f *frame) reflect.Value { return reflect.ValueOf(holds(f)) }), nil
	}
	switch {
	case (name == "and" || name == "or") && len(args) > 0 && sameTypes(args):
		return oneOf(args, name == "or"), nil
	case name == "not" && len(args) == 1:
		holds := holding(args[0])
		return truthOf(func(f *frame) bool { return !holds(f) })
	case name == "len" && len(args) == 1 && slices.Contains([]reflect.Kind{reflect.Slice, reflect.String, reflect.Map}, args[0].typ.Kind()):
		return valued(reflect.TypeFor[int](), func(f *frame) reflect.Value { return reflect.ValueOf(args[0].get(f).Len()) }), nil
	case len(args) == 2 && slices.Contains([]string{"eq", "ne", "lt", "le", "gt", "ge"}, name):
		if compare := comparing(args[0], args[1]); compare != nil {
			return truthOf(func(f *frame) bool {
				return slices.Contains(orders[name], compare(f))
			})
		}
	}
	return expr{}, other(n, "only html/template knows this function of such values")
}

// orders are the outcomes of a comparison for which each function holds.
var orders = map[string][]int{"eq": {0}, "ne": {-1, 1}, "lt": {-1}, "le": {-1, 0}, "gt": {1}, "ge": {0, 1}}

// comparing compares two values; nil: they are not of a kind.
func comparing(a, b expr) func(*frame) int {
	switch {
	case a.text != nil && b.text != nil:
		return func(f *frame) int { return cmp.Compare(a.text(f), b.text(f)) }
	case isInt(a.typ) && isInt(b.typ):
		return func(f *frame) int { return cmp.Compare(a.get(f).Int(), b.get(f).Int()) }
	}
	return nil
}

func sameTypes(all []expr) bool {
	return !slices.ContainsFunc(all, func(e expr) bool { return e.typ != all[0].typ })
}

// oneOf is the first value that holds or, unless that is asked for, the first that
// does not; the last if there is none.
func oneOf(all []expr, holds bool) expr {
	last := len(all) - 1
	return valued(all[0].typ, func(f *frame) reflect.Value {
		for _, e := range all[:last] {
			if v := e.get(f); truth(v) == holds {
				return v
			}
		}
		return all[last].get(f)
	})
}
