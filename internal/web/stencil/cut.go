package stencil

import (
	"html/template"
	"reflect"
	"text/template/parse"

	"renkei.dev/internal/fault"
)

// cutter makes the parts of one stencil.
type cutter struct {
	set     *template.Template
	methods Methods
	parts   map[partKey]*part
}

type partKey struct {
	name string
	dot  reflect.Type
}

// scope is the types of what a template sees.
type scope struct{ root, dot reflect.Type }

// other is the error for what only html/template can write.
func other(n parse.Node, why string) error {
	return fault.New(fault.Invalid, "%s: %s", n, why)
}

// part returns a template for one type of dot. A template that calls itself finds
// itself here.
func (c *cutter) part(name string, dot reflect.Type) (*part, error) {
	key := partKey{name, dot}
	if p, ok := c.parts[key]; ok {
		return p, nil
	}
	t := c.set.Lookup(name)
	if t == nil || t.Tree == nil || t.Tree.Root == nil {
		return nil, fault.New(fault.Invalid, "there is no safe template %s", name)
	}
	p := &part{}
	c.parts[key] = p
	var err error
	p.steps, err = c.list(t.Tree.Root, scope{dot, dot})
	return p, err
}

func (c *cutter) list(l *parse.ListNode, in scope) ([]step, error) {
	if l == nil {
		return nil, nil
	}
	steps := make([]step, 0, len(l.Nodes))
	for _, n := range l.Nodes {
		s, err := c.node(n, in)
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	return steps, nil
}

func (c *cutter) node(n parse.Node, in scope) (step, error) {
	switch n := n.(type) {
	case *parse.TextNode:
		text := n.Text
		return func(f *frame) { f.out = append(f.out, text...) }, nil
	case *parse.ActionNode:
		return c.action(n, in)
	case *parse.IfNode:
		return c.branch(n, in)
	case *parse.WithNode:
		return c.with(n, in)
	case *parse.RangeNode:
		return c.ranged(n, in)
	case *parse.TemplateNode:
		return c.call(n, in)
	}
	return nil, other(n, "only html/template does this")
}

func (c *cutter) action(n *parse.ActionNode, in scope) (step, error) {
	name, ok := chain(n.Pipe)
	if !ok {
		return nil, other(n, "only html/template writes more than one value at a time")
	}
	place := contexts()[name]
	if place == nil {
		return nil, other(n, "only html/template knows this context")
	}
	e, err := c.command(n.Pipe.Cmds[0], in)
	if err != nil {
		return nil, err
	}
	return place.write(e), nil
}

// lists returns both ways of a branch: the first has a dot of its own, which is in's
// where the branch sets none.
func (c *cutter) lists(n *parse.BranchNode, in scope, dot reflect.Type) (then, otherwise []step, err error) {
	if then, err = c.list(n.List, scope{in.root, dot}); err != nil {
		return nil, nil, err
	}
	otherwise, err = c.list(n.ElseList, in)
	return then, otherwise, err
}

func (c *cutter) branch(n *parse.IfNode, in scope) (step, error) {
	holds, err := c.condition(n.Pipe, in)
	if err != nil {
		return nil, err
	}
	then, otherwise, err := c.lists(&n.BranchNode, in, in.dot)
	if err != nil {
		return nil, err
	}
	return func(f *frame) {
		if holds(f) {
			run(then, f)
		} else {
			run(otherwise, f)
		}
	}, nil
}

func (c *cutter) with(n *parse.WithNode, in scope) (step, error) {
	e, err := c.pipe(n.Pipe, in)
	if err != nil {
		return nil, err
	}
	then, otherwise, err := c.lists(&n.BranchNode, in, e.typ)
	if err != nil {
		return nil, err
	}
	return func(f *frame) {
		v := e.get(f)
		if !truth(v) {
			run(otherwise, f)
			return
		}
		dot := f.dot
		f.dot = v
		run(then, f)
		f.dot = dot
	}, nil
}

func (c *cutter) ranged(n *parse.RangeNode, in scope) (step, error) {
	e, err := c.pipe(n.Pipe, in)
	if err != nil {
		return nil, err
	}
	if e.typ.Kind() != reflect.Slice || e.typ.Elem().Kind() == reflect.Interface {
		return nil, other(n.Pipe, "only html/template goes through more than slices")
	}
	each, otherwise, err := c.lists(&n.BranchNode, in, e.typ.Elem())
	if err != nil {
		return nil, err
	}
	return func(f *frame) {
		all := e.get(f)
		count := all.Len()
		if count == 0 {
			run(otherwise, f)
			return
		}
		dot := f.dot
		for i := range count {
			f.dot = all.Index(i)
			run(each, f)
		}
		f.dot = dot
	}, nil
}

func (c *cutter) call(n *parse.TemplateNode, in scope) (step, error) {
	if n.Pipe == nil {
		return nil, other(n, "only html/template calls a template without a dot")
	}
	e, err := c.pipe(n.Pipe, in)
	if err != nil {
		return nil, err
	}
	p, err := c.part(n.Name, e.typ)
	if err != nil {
		return nil, err
	}
	return func(f *frame) {
		v, root, dot := e.get(f), f.root, f.dot
		f.root, f.dot = v, v
		p.run(f)
		f.root, f.dot = root, dot
	}, nil
}
