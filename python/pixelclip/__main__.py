from pixelclip_program import main

main()
