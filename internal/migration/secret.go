package migration

// Sealed is a secret that only the workers can open: a NaCl anonymous box to the workers' public key, in base64
// with a prefix that names the key. It may travel through histories, logs and files; internal/seal makes and opens it.
type Sealed string
