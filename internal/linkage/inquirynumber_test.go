package linkage

import (
	"slices"
	"strings"
	"testing"
)

func TestAnInquiryNumberCatchesSlipsOfThePen(t *testing.T) {
	for range 200 {
		n := newInquiryNumber()
		if got, ok := ParseInquiryNumber(string(n)); !ok || got != n {
			t.Fatalf("%s is read as %s, %v", n, got, ok)
		}
		digits := []byte(strings.ReplaceAll(string(n), "-", ""))
		for i := range digits {
			wrong := slices.Clone(digits)
			wrong[i] = '0' + (wrong[i]-'0'+1)%10
			if _, ok := ParseInquiryNumber(string(wrong)); ok {
				t.Fatalf("%s passes for %s", wrong, n)
			}
			if i > 0 && digits[i] != digits[i-1] {
				swapped := slices.Clone(digits)
				swapped[i], swapped[i-1] = swapped[i-1], swapped[i]
				if _, ok := ParseInquiryNumber(string(swapped)); ok {
					t.Fatalf("%s passes for %s", swapped, n)
				}
			}
		}
	}
}

func TestAnInquiryNumberIsReadAsPeopleTypeIt(t *testing.T) {
	for _, text := range []string{"　００００ー００００ー００００", "000000000000", "0000 0000 0000"} {
		if got, ok := ParseInquiryNumber(text); !ok || got != "0000-0000-0000" {
			t.Errorf("%q is read as %s, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "0000-0000-000", "0000-0000-00000", "abcd-0000-0000"} {
		if _, ok := ParseInquiryNumber(text); ok {
			t.Errorf("%q passes", text)
		}
	}
}

func FuzzParseJourneyID(f *testing.F) {
	for _, seed := range []string{"jny_2f8k0c7yq9ps", "jny_0", "jny_+1", "jny_-1", "jny_00a", "JNY_1", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := ParseJourneyID(text); err == nil && id.String() != text {
			t.Errorf("%q is read as %s", text, id)
		}
	})
}

func FuzzParseInquiryNumber(f *testing.F) {
	f.Add("4821-7395-0264")
	f.Fuzz(func(t *testing.T, text string) {
		if n, ok := ParseInquiryNumber(text); ok {
			if again, ok := ParseInquiryNumber(string(n)); !ok || again != n {
				t.Errorf("%q is read as %s, which is read as %s", text, n, again)
			}
		}
	})
}
