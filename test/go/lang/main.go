// lang exercises the language: switches, defers, closures, generics, interfaces, reflection, methods.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"
)

//go:noinline
func dense(n int) int {
	switch n {
	case 0:
		return 10
	case 1:
		return 21
	case 2:
		return 12
	case 3:
		fallthrough
	case 4:
		return 34
	case 5:
		return 5
	case 6:
		return 66
	case 7:
		return 17
	case 8:
		return 80
	case 9, 10, 11:
		return 9
	}
	return -1
}

//go:noinline
func sparse(n uint32) int {
	switch n {
	case 0x80000000:
		return 1
	case 7:
		return 2
	case 1 << 20:
		return 3
	case 0xffffffff:
		return 4
	case 99, 100, 101, 1000, 10000:
		return 5
	}
	return 0
}

//go:noinline
func words(s string) int {
	switch s {
	case "":
		return 0
	case "alpha":
		return 1
	case "beta", "bete":
		return 2
	case "gamma", "gamme", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa":
		return 3
	}
	return 4
}

func jumps() {
	for i := -2; i < 14; i++ {
		fmt.Print(dense(i), " ")
	}
	for _, v := range []uint32{0, 7, 99, 100, 1000, 1 << 20, 0x7fffffff, 0x80000000, 0xffffffff} {
		fmt.Print(sparse(v), " ")
	}
	for _, s := range []string{"", "alpha", "beta", "bete", "betx", "kappa", "lambda"} {
		fmt.Print(words(s), " ")
	}
	fmt.Println()
	n := 0
outer:
	for i := 0; i < 10; i++ {
		for j := 0; ; j++ {
			switch {
			case j > i:
				continue outer
			case i*j > 40:
				break outer
			case j&1 == 1:
				continue
			}
			n += i * j
			if n > 1000 {
				goto done
			}
		}
	}
done:
	fmt.Println(n)
	for _, v := range []any{1, "s", 2.5, nil, []int{1}, map[string]int{}, errors.New("e"), struct{}{}, uint8(3), func() {}, [2]bool{}} {
		switch t := v.(type) {
		case int, uint8:
			fmt.Printf("number %v; ", t)
		case string:
			fmt.Print("string "+t, "; ")
		case float64:
			fmt.Print("float ", t, "; ")
		case nil:
			fmt.Print("nil; ")
		case error:
			fmt.Print("error ", t, "; ")
		case []int:
			fmt.Print("slice ", len(t), "; ")
		default:
			fmt.Printf("%T; ", t)
		}
	}
	fmt.Println()
}

func defers() (result string) {
	defer func() {
		r := recover()
		result += fmt.Sprint(" outer:", r)
	}()
	for i := 0; i < 3; i++ {
		defer func() { result += fmt.Sprint(" d", i) }()
	}
	func() {
		defer func() {
			result += fmt.Sprint("inner:", recover())
		}()
		var a []int
		_ = a[len(result)]
	}()
	defer func() {
		defer func() { result += fmt.Sprint(" nested:", recover()) }()
		panic("two")
	}()
	panic(fmt.Errorf("one: %w", errors.ErrUnsupported))
}

type stack[T any] struct{ items []T }

func (s *stack[T]) push(v T) { s.items = append(s.items, v) }
func (s *stack[T]) pop() (v T, ok bool) {
	if len(s.items) == 0 {
		return
	}
	v = s.items[len(s.items)-1]
	s.items = s.items[:len(s.items)-1]
	return v, true
}
func (s *stack[T]) all() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i, v := range s.items {
			if !yield(i, v) {
				return
			}
		}
	}
}

type tree[K cmp.Ordered, V any] struct {
	left, right *tree[K, V]
	key         K
	value       V
}

func (t *tree[K, V]) put(k K, v V) *tree[K, V] {
	if t == nil {
		return &tree[K, V]{key: k, value: v}
	}
	switch c := cmp.Compare(k, t.key); {
	case c < 0:
		t.left = t.left.put(k, v)
	case c > 0:
		t.right = t.right.put(k, v)
	default:
		t.value = v
	}
	return t
}

func (t *tree[K, V]) walk(yield func(K, V) bool) bool {
	return t == nil || t.left.walk(yield) && yield(t.key, t.value) && t.right.walk(yield)
}

func reduce[T, A any](s []T, a A, f func(A, T) A) A {
	for _, v := range s {
		a = f(a, v)
	}
	return a
}

func generics() {
	var s stack[string]
	for _, w := range strings.Fields("to be or not to be") {
		s.push(w)
	}
	for i, w := range s.all() {
		if i == 4 {
			break
		}
		fmt.Print(i, w, " ")
	}
	v, ok := s.pop()
	fmt.Println(v, ok, reduce(s.items, 0, func(n int, w string) int { return n*10 + len(w) }))
	var t *tree[string, int]
	for i, w := range s.items {
		t = t.put(w, i)
	}
	t.walk(func(k string, v int) bool { fmt.Print(k, "=", v, " "); return k != "or" })
	var f *tree[float64, rune]
	for i, r := range "zyx" {
		f = f.put(1/float64(i+1), r)
	}
	f.walk(func(k float64, v rune) bool { fmt.Printf("%.2f%c ", k, v); return true })
	keys := slices.Sorted(maps.Keys(map[string]int{"b": 1, "a": 2, "c": 3}))
	fmt.Println(keys, slices.Max(keys), slices.Index(keys, "c"))
	next, stop := iter.Pull(func(yield func(int) bool) {
		for a, b := 0, 1; yield(a); a, b = b, a+b {
		}
	})
	for i := 0; i < 20; i++ {
		v, ok := next()
		fmt.Print(v, ok, " ")
	}
	stop()
	fmt.Println(next())
	for i := range 3 {
		defer func() { fmt.Print("range-", i, " ") }()
	}
	for range slices.Chunk([]int{1, 2, 3, 4, 5}, 2) {
		fmt.Print(".")
	}
	fmt.Println()
}

type animal interface {
	name() string
	sound() string
}
type base struct{ n string }

func (b base) name() string     { return b.n }
func (b *base) rename(n string) { b.n = n }

type dog struct {
	base
	age int `json:"age" unit:"years"`
}

func (dog) sound() string { return "woof" }

type cow struct {
	*base
	fmt.Stringer
}

func (*cow) sound() string { return "moo" }

func interfaces() {
	d := dog{base{"rex"}, 3}
	c := &cow{base: &base{"bessy"}}
	for _, a := range []animal{d, &d, c} {
		fmt.Print(a.name(), " ", a.sound(), "; ")
	}
	d.rename("max")
	c.rename("daisy")
	f, g := d.name, (*base).rename
	g(&d.base, "tim")
	fmt.Println(f(), d.name(), c.name(), animal(c) == animal(c), any(d) == any(dog{base{"tim"}, 3}))
	_, ok := any(d).(interface{ rename(string) })
	_, ok2 := any(&d).(interface{ rename(string) })
	fmt.Println(ok, ok2)
	err := fmt.Errorf("a: %w", errors.Join(errors.New("b"), &custom{7}))
	var target *custom
	fmt.Println(errors.As(err, &target), target, errors.Unwrap(err) != nil)
}

type custom struct{ code int }

func (c *custom) Error() string { return fmt.Sprint("custom ", c.code) }

func closures() {
	counter := func() func() int { n := 0; return func() int { n++; return n } }
	a, b := counter(), counter()
	fmt.Print(a(), a(), b(), a(), " ")
	var fs []func() int
	for i := 0; i < 4; i++ {
		fs = append(fs, func() int { i *= 2; return i })
	}
	for _, f := range fs {
		fmt.Print(f(), f(), " ")
	}
	var fact func(int) int
	fact = func(n int) int {
		if n < 2 {
			return 1
		}
		return n * fact(n-1)
	}
	compose := func(f ...func(int) int) func(int) int {
		return func(v int) int {
			for _, g := range f {
				v = g(v)
			}
			return v
		}
	}
	fmt.Println(fact(20), compose(fact, func(n int) int { return n % 1000 }, fact)(5))
}

func reflection() {
	d := dog{base{"rex"}, 3}
	t := reflect.TypeOf(d)
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		fmt.Print(f.Name, " ", f.Type, " ", f.Tag.Get("unit"), " ", f.Offset, "; ")
	}
	v := reflect.ValueOf(&calc{10})
	for i := 0; i < v.NumMethod(); i++ {
		m := v.Type().Method(i)
		fmt.Print(m.Name, " ", m.Type, "; ")
	}
	r := v.MethodByName("Add").Call([]reflect.Value{reflect.ValueOf(5), reflect.ValueOf(2.5)})
	fmt.Println(r[0].Float(), v.Elem().Field(0).Int())
	swap := reflect.MakeFunc(reflect.TypeOf(func(int, string) (string, int) { return "", 0 }), func(in []reflect.Value) []reflect.Value {
		return []reflect.Value{in[1], in[0]}
	}).Interface().(func(int, string) (string, int))
	fmt.Println(swap(3, "x"))
	m := reflect.MakeMap(reflect.TypeOf(map[string]int{}))
	m.SetMapIndex(reflect.ValueOf("k"), reflect.ValueOf(9))
	s := reflect.MakeSlice(reflect.TypeOf([]int{}), 2, 5)
	s.Index(1).SetInt(7)
	st := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "X", Type: reflect.TypeOf(0)}})).Elem()
	st.Field(0).SetInt(4)
	fmt.Println(m.Interface(), reflect.Append(s, reflect.ValueOf(1)), st.Interface(), reflect.DeepEqual([]any{1, "a"}, []any{1, "a"}))
	c := reflect.MakeChan(reflect.TypeOf(make(chan int)), 1)
	c.Send(reflect.ValueOf(6))
	i, got, ok := reflect.Select([]reflect.SelectCase{{Dir: reflect.SelectRecv, Chan: c}, {Dir: reflect.SelectDefault}})
	fmt.Println(i, got, ok)
}

type calc struct{ N int }

func (c *calc) Add(a int, b float64) float64 { c.N += a; return float64(c.N) * b }
func (c *calc) String() string               { return fmt.Sprint("calc ", c.N) }

func main() {
	jumps()
	fmt.Println(defers())
	generics()
	interfaces()
	closures()
	reflection()
}
