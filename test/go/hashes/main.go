// hashes prints digests, ciphers, signatures and checksums of known inputs.
package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"fmt"
	"hash"
	"hash/adler32"
	"hash/crc32"
	"hash/crc64"
	"hash/fnv"
	"io"
)

func main() {
	data := make([]byte, 100003)
	x := uint32(7)
	for i := range data {
		x = x*1664525 + 1013904223
		data[i] = byte(x >> 24)
	}
	for _, h := range []struct {
		name string
		new  func() hash.Hash
	}{
		{"md5", md5.New}, {"sha1", sha1.New}, {"sha224", sha256.New224}, {"sha256", sha256.New}, {"sha384", sha512.New384},
		{"sha512", sha512.New}, {"sha512/256", sha512.New512_256}, {"sha3-256", func() hash.Hash { return sha3.New256() }},
		{"hmac-sha256", func() hash.Hash { return hmac.New(sha256.New, []byte("key")) }},
		{"hmac-sha512", func() hash.Hash { return hmac.New(sha512.New, bytes.Repeat([]byte("k"), 200)) }},
		{"crc32", func() hash.Hash { return crc32.NewIEEE() }},
		{"crc32c", func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }},
		{"crc64", func() hash.Hash { return crc64.New(crc64.MakeTable(crc64.ECMA)) }},
		{"adler", func() hash.Hash { return adler32.New() }}, {"fnv", func() hash.Hash { return fnv.New64a() }}, {"fnv128", func() hash.Hash { return fnv.New128a() }},
	} {
		a := h.new()
		fmt.Printf("%s %x ", h.name, a.Sum(nil))
		a.Write([]byte("abc"))
		fmt.Printf("%x ", a.Sum(nil))
		a.Reset()
		for i := 0; i < len(data); {
			n := min(i%257+1, len(data)-i)
			a.Write(data[i : i+n])
			i += n
		}
		fmt.Printf("%x\n", a.Sum(nil))
	}

	for _, size := range []int{16, 24, 32} {
		block, _ := aes.NewCipher(data[:size])
		out := make([]byte, 64)
		cipher.NewCBCEncrypter(block, data[100:116]).CryptBlocks(out, data[200:264])
		fmt.Printf("cbc %x\n", out)
		cipher.NewCTR(block, data[100:116]).XORKeyStream(out, data[200:264])
		fmt.Printf("ctr %x\n", out)
		gcm, _ := cipher.NewGCM(block)
		sealed := gcm.Seal(nil, data[:12], data[300:345], []byte("extra"))
		fmt.Printf("gcm %x\n", sealed)
		opened, err := gcm.Open(nil, data[:12], sealed, []byte("extra"))
		fmt.Println(bytes.Equal(opened, data[300:345]), err)
		sealed[3] ^= 1
		_, err = gcm.Open(nil, data[:12], sealed, []byte("extra"))
		fmt.Println(err)
	}

	key := ed25519.NewKeyFromSeed(data[:32])
	sig := ed25519.Sign(key, []byte("message"))
	fmt.Printf("ed25519 %x\n%x\n", key.Public(), sig)
	fmt.Println(ed25519.Verify(key.Public().(ed25519.PublicKey), []byte("message"), sig), ed25519.Verify(key.Public().(ed25519.PublicKey), []byte("massage"), sig))

	// Random keys: what must hold, since the bytes differ each time.
	a, b := make([]byte, 1<<16), make([]byte, 1<<16)
	io.ReadFull(rand.Reader, a)
	rand.Read(b)
	var seen [256]int
	for _, v := range a {
		seen[v]++
	}
	for v, n := range seen {
		if n < 100 || n > 500 {
			fmt.Println("uneven", v, n)
		}
	}
	fmt.Println("random differ:", !bytes.Equal(a, b), len(rand.Text()) >= 26)
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fmt.Println(err)
	digest := sha256.Sum256([]byte("signed"))
	asn, err := ecdsa.SignASN1(rand.Reader, priv, digest[:])
	fmt.Println(err, ecdsa.VerifyASN1(&priv.PublicKey, digest[:], asn))
	digest[0] ^= 1
	fmt.Println(ecdsa.VerifyASN1(&priv.PublicKey, digest[:], asn))
}
