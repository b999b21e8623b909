package linkage

import (
	"crypto/rand"
	"math/big"
)

// InquiryNumber is the お問い合わせ番号 of a journey, e.g. "4821-7395-0264": short
// enough to be read out, with a last digit that catches a wrong digit and two
// swapped ones.
type InquiryNumber string

// damm is a totally anti-symmetric quasigroup (H. M. Damm, 2004): it detects
// every single wrong digit and every swap of neighbours.
var damm = [10][10]byte{
	{0, 3, 1, 7, 5, 9, 8, 6, 4, 2},
	{7, 0, 9, 2, 1, 5, 4, 8, 6, 3},
	{4, 2, 0, 6, 8, 7, 1, 3, 5, 9},
	{1, 7, 5, 0, 9, 8, 3, 4, 2, 6},
	{6, 1, 2, 3, 0, 4, 5, 9, 7, 8},
	{3, 6, 7, 4, 2, 0, 9, 5, 8, 1},
	{5, 8, 6, 9, 7, 2, 0, 1, 3, 4},
	{8, 9, 4, 5, 3, 6, 2, 0, 1, 7},
	{9, 4, 3, 8, 6, 1, 7, 2, 0, 5},
	{2, 5, 8, 1, 4, 3, 6, 7, 9, 0},
}

func checkDigit(digits []byte) byte {
	var c byte
	for _, d := range digits {
		c = damm[c][d-'0']
	}
	return '0' + c
}

// NewInquiryNumber returns a number for a page that has no journey to stand in,
// so that a clerk can find its line in the log.
func NewInquiryNumber() InquiryNumber { return newInquiryNumber() }

func newInquiryNumber() InquiryNumber {
	digits := make([]byte, 0, 12)
	for range 11 {
		n, err := rand.Int(rand.Reader, big.NewInt(10))
		if err != nil {
			panic("no randomness: " + err.Error()) // never since Go 1.24
		}
		digits = append(digits, '0'+byte(n.Int64()))
	}
	return group(append(digits, checkDigit(digits)))
}

func group(d []byte) InquiryNumber {
	return InquiryNumber(string(d[:4]) + "-" + string(d[4:8]) + "-" + string(d[8:]))
}

// ParseInquiryNumber reads a number as a person says or types it: full-width
// digits, spaces and any dashes between groups are fine. It tells whether the
// number can be one of ours.
func ParseInquiryNumber(text string) (InquiryNumber, bool) {
	digits := make([]byte, 0, 12)
	for _, r := range text {
		switch {
		case r >= '0' && r <= '9':
			digits = append(digits, byte(r))
		case r >= '０' && r <= '９':
			digits = append(digits, '0'+byte(r-'０'))
		case r == '-', r == ' ', r == '　', r == '－', r == 'ー', r == '‐', r == '−':
		default:
			return "", false
		}
	}
	if len(digits) != 12 || checkDigit(digits) != '0' {
		return "", false
	}
	return group(digits), true
}
