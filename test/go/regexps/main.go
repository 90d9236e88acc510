// regexps matches, captures and replaces with all three of the library's matchers.
package main

import (
	"fmt"
	"regexp"
	"strings"
)

func main() {
	text := strings.Repeat("the quick brown fox jumps over the lazy dog 12345 foo@example.com 2024-01-31 ", 40)
	for _, p := range []string{
		`[a-z]+@[a-z]+\.com`, `(\d{4})-(\d\d)-(\d\d)`, `(?i)THE\s+(\w+)`, `\b\w{5}\b`, `^the`, `(?m)dog \d+$`, `(a|b|c)*d`, `o.*?x`, `(?:fox|dog)s?`, `[^\s]{8,}`, `(?P<word>q\w+)|(?P<num>\d+)`,
		`x*`, `\p{L}+`, `[[:upper:]]`, `(\w)(\w)(\w)(\w)(\w)(\w)(\w)`, `e{2,3}|z{1}`, `(((a+)+)+)+$`, `\Athe quick`, `com (\d+)-\d+-31 the`, `(?s)q.{100}k`,
	} {
		re := regexp.MustCompile(p)
		all := re.FindAllStringSubmatchIndex(text, -1)
		h := 0
		for _, m := range all {
			for _, v := range m {
				h = h*31 + v
			}
		}
		fmt.Println(p, len(all), h, re.FindString(text), re.NumSubexp(), re.SubexpNames())
		fmt.Println("  ", len(re.ReplaceAllString(text, "<$0>")), re.MatchString("zzz"))
	}
	re := regexp.MustCompile(`(?P<y>\d+)-(?P<m>\d+)`)
	fmt.Println(re.ReplaceAllString("on 2024-01 and 2025-12", "${m}/${y}"), re.Split("a1-2b3-4c", -1))
	fmt.Println(re.ReplaceAllStringFunc("x 1-2", strings.ToUpper), string(re.ExpandString(nil, "$y", "7-8", re.FindStringSubmatchIndex("7-8"))))
	for _, p := range []string{`(`, `a**`, `[z-a]`, `\p{Nope}`, `(?<n>a)(?<n>b)`, `a{1001}`, `x{2,1}`} {
		_, err := regexp.Compile(p)
		fmt.Println(err)
	}
	// What makes backtracking matchers explode.
	slow := regexp.MustCompile(`(a?){30}a{30}`)
	fmt.Println(slow.MatchString(strings.Repeat("a", 30)), slow.MatchString(strings.Repeat("a", 29)))
	long := regexp.MustCompile(`a+b`)
	long.Longest()
	fmt.Println(long.FindString("aaab"), regexp.QuoteMeta("a.b*c"))
}
