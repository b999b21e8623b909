package stencil

import (
	"reflect"
	"text/template/parse"
)

// members is the field or method of a field … of a value; only the last takes args.
func (c *cutter) members(n *parse.CommandNode, of expr, names []string, args []parse.Node, in scope) (expr, error) {
	if len(names) == 0 && len(args) > 0 {
		return expr{}, other(n, "is no function")
	}
	for i, name := range names {
		given := args
		if i < len(names)-1 {
			given = nil
		}
		var err error
		if of, err = c.member(n, of, name, given, in); err != nil {
			return expr{}, err
		}
	}
	return of, nil
}

// member is one field or method, found as text/template does: methods first.
func (c *cutter) member(n *parse.CommandNode, of expr, name string, args []parse.Node, in scope) (expr, error) {
	pointer := of.typ
	if of.typ.Kind() != reflect.Pointer {
		pointer = reflect.PointerTo(of.typ)
	}
	if of.typ.Kind() == reflect.Interface || pointer.Elem().Kind() == reflect.Interface || pointer.Elem().Kind() == reflect.Pointer {
		return expr{}, other(n, "only html/template looks into interfaces and pointers to pointers")
	}
	if m, ok := pointer.MethodByName(name); ok {
		// Whether a value has its pointer's methods depends on where it lies.
		if _, always := of.typ.MethodByName(name); !always {
			return expr{}, other(n, "only html/template calls a pointer's method on a value")
		}
		return c.method(n, of, pointer, m, args, in)
	}
	if pointer.Elem().Kind() != reflect.Struct || len(args) > 0 {
		return expr{}, other(n, "only html/template looks "+name+" up in the type "+of.typ.String())
	}
	field, ok := pointer.Elem().FieldByName(name)
	if !ok || !field.IsExported() {
		return expr{}, other(n, "there is no field "+name)
	}
	return valued(field.Type, fieldOf(of, field.Index)), nil
}

// fieldOf returns a field. Of nil it panics, where text/template fails.
func fieldOf(of expr, index []int) func(*frame) reflect.Value {
	get := of.get
	if of.typ.Kind() == reflect.Pointer {
		get = func(f *frame) reflect.Value { return of.get(f).Elem() }
	}
	if len(index) > 1 {
		return func(f *frame) reflect.Value { return get(f).FieldByIndex(index) }
	}
	only := index[0]
	return func(f *frame) reflect.Value { return get(f).Field(only) }
}

// method is what a method returns.
func (c *cutter) method(n *parse.CommandNode, of expr, pointer reflect.Type, m reflect.Method, nodes []parse.Node, in scope) (expr, error) {
	args, err := c.operands(nodes, in)
	if err != nil {
		return expr{}, err
	}
	if m.Type.NumOut() != 1 || !takes(m.Type, args) {
		return expr{}, other(n, "only html/template makes such a call")
	}
	result := m.Type.Out(0)
	if quick, ok := c.methods[m.Name]; ok && result.Kind() == reflect.String && pointer.Implements(quick.of) {
		return texted(result, quickly(of, quick, args)), nil
	}
	byAddress := of.typ.Kind() != reflect.Pointer
	onValue := m.Index
	if direct, ok := of.typ.MethodByName(m.Name); ok {
		onValue = direct.Index
	}
	return valued(result, func(f *frame) reflect.Value {
		receiver, index := of.get(f), onValue
		if byAddress && receiver.CanAddr() {
			receiver, index = receiver.Addr(), m.Index
		}
		values := make([]reflect.Value, len(args))
		for i, a := range args {
			values[i] = a.get(f)
		}
		return receiver.Method(index).Call(values)[0]
	}), nil
}

// takes tells whether a method takes args just as they are. Its first parameter is
// the receiver.
func takes(method reflect.Type, args []expr) bool {
	fixed := method.NumIn() - 1
	if method.IsVariadic() {
		fixed--
	}
	if len(args) < fixed || len(args) > fixed && !method.IsVariadic() {
		return false
	}
	for i, a := range args {
		wanted := method.In(min(i+1, method.NumIn()-1))
		if i >= fixed {
			wanted = wanted.Elem()
		}
		if !a.typ.AssignableTo(wanted) {
			return false
		}
	}
	return true
}

// quickly calls a method by its interface.
func quickly(of expr, quick Method, args []expr) func(*frame) string {
	boxes := make([]func(*frame) any, len(args))
	for i, a := range args {
		boxes[i] = a.boxed()
	}
	return func(f *frame) string {
		receiver := of.get(f)
		if receiver.Kind() != reflect.Pointer && receiver.CanAddr() {
			receiver = receiver.Addr()
		}
		bottom := len(f.args)
		for _, box := range boxes {
			arg := box(f)
			f.args = append(f.args, arg)
		}
		top := len(f.args)
		said := quick.call(receiver.Interface(), f.args[bottom:top:top])
		f.args = f.args[:bottom]
		return said
	}
}
